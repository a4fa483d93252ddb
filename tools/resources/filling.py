"""The state machine that fills a view, by as many workers at once as it is asked for.

A Distributed Map starts an execution for each worker. A worker is the function `fill`, called again
and again until its parts are done; the fill's own checkpoints say where it goes on
(docs/adr/0036). So a call that fails is repeated, and a new execution goes on where one was stopped.
"""

import json
from typing import Any

from tools.resources.functions import Function
from tools.resources.permissions import Json, allow, arn

NAME = "${AWS::StackName}-fill"
# A worker that was killed, or that a store has refused, tries again for about an hour.
RETRY: Json = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxDelaySeconds": 300,
    "MaxAttempts": 20,
}


def state_machine(function: Function) -> Json:
    """The state machine and its role, which may call *function* and start its own executions."""
    machine, executions = f"stateMachine:{NAME}", f"execution:{NAME}/*"
    return {
        "FillRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "states.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
                "Policies": [
                    {
                        "PolicyName": "fill",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                allow(
                                    ("lambda:InvokeFunction",),
                                    arn("lambda", f"function:{function.full_name}"),
                                ),
                                # What a Distributed Map does with the executions of its items.
                                allow(("states:StartExecution",), arn("states", machine)),
                                allow(
                                    ("states:DescribeExecution", "states:StopExecution"),
                                    arn("states", executions),
                                ),
                            ],
                        },
                    }
                ],
            },
        },
        "FillMachine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": {"Fn::Sub": NAME},
                "RoleArn": {"Fn::GetAtt": ["FillRole", "Arn"]},
                "DefinitionString": {"Fn::Sub": json.dumps(definition(function), indent=1)},
            },
        },
    }


def definition(function: Function) -> Json:
    """The states: plan, work by all workers, finish."""

    def call(payload: Any, **more: Any) -> Json:
        name = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
        return {
            "Type": "Task",
            "Resource": "arn:${AWS::Partition}:states:::lambda:invoke",
            "Parameters": {"FunctionName": f"{name}{function.full_name}", "Payload": payload},
            "OutputPath": "$.Payload",
            "Retry": [RETRY],
            **more,
        }

    asked = {f"{name}.$": f"$.{name}" for name in ("view", "workers", "units")}
    return {
        "Comment": "Fills a view from the log: view, workers, units a second (0: no bound)",
        "StartAt": "Plan",
        "States": {
            "Plan": call({**asked, "step": "plan"}, Next="Fill"),
            "Fill": {
                "Type": "Map",
                "ItemsPath": "$.items",
                "ResultPath": None,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "Work",
                    "States": {
                        "Work": call(
                            {"worker.$": "$.worker", **asked, "step": "work"}, Next="Done?"
                        ),
                        "Done?": {
                            "Type": "Choice",
                            "Choices": [
                                {"Variable": "$.done", "BooleanEquals": True, "Next": "Done"}
                            ],
                            "Default": "Work",
                        },
                        "Done": {"Type": "Succeed"},
                    },
                },
                "Next": "Finish",
            },
            "Finish": call({**asked, "step": "finish"}, End=True),
        },
    }
