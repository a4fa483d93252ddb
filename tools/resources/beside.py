"""What an application needs and `chalice deploy` cannot make: tables, log groups, alarms.

The resources are those of the application's template. There, Chalice's functions are resources of
the same stack; here they are called by their names, since Chalice makes them later.
"""

import json
from collections.abc import Iterable

from tools.resources.edge import CLOUDFORMATIONS_OWN
from tools.resources.functions import Function
from tools.resources.permissions import Json
from tools.resources.stacks import parameter

APPLICATION = parameter("The application's name, with which the names of its functions begin")


def beside_chalice(merged: Json, functions: Iterable[Function]) -> Json:
    """The template of what stands beside the functions of `chalice deploy`.

    *merged* is the template that `leftfold deploy` merges into Chalice's.
    """
    # What has no type changes a resource of Chalice's own, and Chalice connects its API by itself.
    kept = {
        name: made
        for name, made in merged["Resources"].items()
        if "Type" in made
        and made["Type"] != "AWS::Lambda::Permission"
        and name not in CLOUDFORMATIONS_OWN
    }
    text = json.dumps(kept)
    for function in functions:
        called = function.full_name
        if function.name == "api_handler":
            # `chalice deploy` calls it by the stage alone.
            for end in ('"', "'"):
                text = text.replace(f"/{called}{end}", f"/${{AWS::StackName}}{end}")
            called = "${AWS::StackName}"
        by_name = json.dumps({"Fn::Sub": called})
        text = text.replace(json.dumps({"Ref": function.logical_id}), by_name)
    text = text.replace("${AWS::StackName}", "${Application}")
    text = text.replace(json.dumps({"Ref": "AWS::StackName"}), json.dumps({"Ref": "Application"}))
    resources = json.loads(text)
    outputs = {**merged["Outputs"], "Application": {"Value": {"Ref": "Application"}}}
    used = json.dumps([resources, outputs])
    conditions = {name: made for name, made in merged["Conditions"].items() if f'"{name}"' in used}
    return {
        "Parameters": {
            "Application": APPLICATION,
            **{
                name: made
                for name, made in merged["Parameters"].items()
                if json.dumps({"Ref": name}) in json.dumps([resources, outputs, conditions])
                or f"${{{name}}}" in text
            },
        },
        "Conditions": conditions,
        "Resources": resources,
        "Outputs": outputs,
    }


def asynchronous(merged: Json, application: str) -> dict[str, Json]:
    """How Lambda treats the wakes of each function of *application* that is woken.

    Chalice cannot set it. Without it, Lambda repeats a wake twice, and keeps it for six hours, which
    costs something and breaks nothing.
    """
    return {
        made["Properties"]["FunctionName"]["Fn::Sub"].replace(
            "${AWS::StackName}", application
        ): made["Properties"]["EventInvokeConfig"]
        for made in merged["Resources"].values()
        if "EventInvokeConfig" in made.get("Properties", {})
    }
