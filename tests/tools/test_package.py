import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from chalice.utils import to_cfn_resource_name

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.wiring.clients import client
from chalicelib.leftfold.wiring.settings import FUNCTIONS_OF_TRUTH
from tools.bootstrap import ROOT
from tools.dependencies import SERVICES, PackagingError
from tools.deploy import application_template
from tools.fingerprints import fingerprints
from tools.package import Package, package, sizes_of
from tools.stages import StageError, stage

pytestmark = pytest.mark.slow

FUNCTIONS = sorted(
    f"chalicelib.leftfold.functions.{path.stem}"
    for path in (ROOT / "chalicelib" / "leftfold" / "functions").glob("*.py")
    if path.stem != "__init__"
)
# What Lambda's Python has of its own, and the package.
ONLY_THE_PACKAGE = "import sys; sys.path.append({unzipped!r}); {code}"


@pytest.fixture(scope="module")
def packaged() -> Package:
    return package("dev", lambda _: None)


@pytest.fixture(scope="module")
def unzipped(packaged: Package, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unzipped")
    with zipfile.ZipFile(packaged.zip) as contents:
        contents.extractall(folder)
    return folder


def run(unzipped: Path, code: str) -> str:
    """What *code* prints where nothing but the package can be imported."""
    program = ONLY_THE_PACKAGE.format(unzipped=str(unzipped), code=code)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-W", "error", "-c", program],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", ["app", "chalicelib.functions", *FUNCTIONS])
def test_the_package_alone_is_enough_to_import(unzipped: Path, module: str) -> None:
    run(unzipped, f"import {module}")


def test_the_truths_package_alone_is_enough_for_its_functions(
    packaged: Package, tmp_path: Path
) -> None:
    with zipfile.ZipFile(packaged.truth_zip) as contents:
        contents.extractall(tmp_path)
    names = ", ".join(FUNCTIONS_OF_TRUTH)
    run(tmp_path, f"from chalicelib.leftfold.functions.truth import {names}")
    settings = {"LEFTFOLD_TRUTH": "s", "LEFTFOLD_STAGE": "s", "LEFTFOLD_LOGS": "2"}
    aws = {"AWS_DEFAULT_REGION": "x-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    used = ("relay", "bus", "waker", "archive", "checkpoints", "parking", "applications", "control")
    run(
        tmp_path,
        f"import os; os.environ.update({settings | aws!r});"
        " from datetime import timedelta;"
        " from chalicelib.leftfold.wiring.process import services; found = services();"
        f" [getattr(each, name) for name in {used!r} for each in found.in_each_log];"
        " import chalicelib.leftfold.archive.pruner, chalicelib.leftfold.relay.sweeper;"
        " found.archiver(timedelta()); found.archive._client",
    )
    ours = {path.name for path in (tmp_path / "chalicelib").iterdir()}
    assert ours <= {"__init__.py", "__pycache__", "leftfold"}


@pytest.mark.parametrize(
    ("ready", "called"), [(0, "${APIHandler.Arn}"), (2, "${APIHandler.Arn}:live")]
)
def test_whether_the_api_calls_an_alias_is_in_its_text(
    packaged: Package, ready: int, called: str
) -> None:
    """SAM makes a new deployment of the API where its text has changed, and not where a parameter has."""
    made = application_template(packaged, replace(stage("dev"), api_warm=ready))
    paths = made["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    uris = {
        operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"].partition("/functions/")[2]
        for methods in paths.values()
        for operation in methods.values()
    }
    assert uris == {f"{called}/invocations", "${Feed.Arn}/invocations"}


def test_every_handler_of_the_template_is_a_function_of_the_package(
    packaged: Package, unzipped: Path
) -> None:
    resources = json.loads(packaged.template.read_text())["Resources"]
    handlers = {
        name: resource["Properties"]["Handler"].rpartition(".")
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    look = "; ".join(
        f"import {module}; print({name!r}, callable({module}.{handler}))"
        for name, (module, _, handler) in sorted(handlers.items())
    )

    wanted = {"APIHandler", *map(to_cfn_resource_name, (*DOMAIN.views, *DOMAIN.policies))}
    assert wanted < set(handlers)
    assert run(unzipped, look).split() == [
        word for name in sorted(handlers) for word in (name, "True")
    ]


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_the_package_has_what_a_client_of_each_service_needs(unzipped: Path, service: str) -> None:
    options = "region_name='eu-central-1', aws_access_key_id='x', aws_secret_access_key='x'"

    run(unzipped, f"import boto3; boto3.client({service!r}, {options})")


def test_the_search_client_is_in_the_package(unzipped: Path) -> None:
    run(
        unzipped,
        "from chalicelib.leftfold.projection.search import connect; connect('http://127.0.0.1:9200')",
    )


def test_the_services_kept_are_those_that_the_wiring_makes_clients_of() -> None:
    made = get_args(get_type_hints(client)["service"])

    assert set(made) == SERVICES


def test_boto3_describes_no_service_that_is_not_used(unzipped: Path) -> None:
    data = unzipped / "botocore" / "data"

    assert {path.name for path in data.iterdir() if path.is_dir()} == SERVICES
    assert (data / "endpoints.json").exists()


def test_the_package_has_the_fingerprint_of_every_fold(unzipped: Path) -> None:
    packaged_fingerprints = json.loads((unzipped / "chalicelib" / "fingerprints.json").read_text())

    assert packaged_fingerprints == fingerprints(ROOT)


def test_all_code_is_compiled_and_taken_without_a_look_at_its_source(unzipped: Path) -> None:
    sources = [
        path for path in unzipped.rglob("*.py") if path.name != "app.py" or path.parent != unzipped
    ]
    tag = sys.implementation.cache_tag
    compiled = [path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc" for path in sources]

    assert [path for path in compiled if not path.exists()] == []
    # PEP 552: bit 0 says that a hash is in it, bit 1 that it is to be checked.
    assert {path.read_bytes()[4] for path in compiled} == {0b01}


def test_nothing_tells_where_it_was_made(unzipped: Path) -> None:
    telling = [
        path
        for path in unzipped.rglob("*")
        if path.is_file() and str(ROOT).encode() in path.read_bytes()
    ]

    assert telling == []


def test_the_package_is_small(packaged: Package) -> None:
    zipped, unzipped = packaged.sizes()

    assert zipped < 12_500_000
    assert unzipped < 39_000_000


def test_the_truths_package_has_no_more_than_its_functions_use(packaged: Package) -> None:
    zipped, unzipped = sizes_of(packaged.truth_zip)

    assert zipped < 5_000_000
    assert unzipped < 14_000_000


def test_what_is_left_out_of_the_package_is_used_by_nothing(unzipped: Path) -> None:
    """Data is sealed, cursors too, and tokens of both kinds of keys are verified."""
    run(
        unzipped,
        "import json, jwt;"
        " from cryptography.hazmat.primitives.asymmetric import ec, rsa;"
        " from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV;"
        " gcm, siv = AESGCM(b'k' * 32), AESSIV(b'k' * 64);"
        " assert gcm.decrypt(b'n' * 12, gcm.encrypt(b'n' * 12, b'x', b''), b'') == b'x';"
        " assert siv.decrypt(siv.encrypt(b'x', [b'a']), [b'a']) == b'x';"
        " keys = {'ES256': ec.generate_private_key(ec.SECP256R1()),"
        " 'RS256': rsa.generate_private_key(65537, 2048)};"
        " made = {name: jwt.encode({'a': 1}, key, name) for name, key in keys.items()};"
        " read = [jwt.decode(made[name], key.public_key(), [name]) for name, key in keys.items()];"
        " assert read == [{'a': 1}, {'a': 1}]",
    )


def test_a_second_package_of_the_same_code_is_not_made(packaged: Package) -> None:
    again = package("dev", lambda _: None)

    assert (again.fingerprint, again.made_anew) == (packaged.fingerprint, False)


def test_a_changed_domain_leaves_the_truths_package_as_it_is(
    packaged: Package, tmp_path: Path
) -> None:
    """So a deploy after it changes nothing of the truth."""
    root, build = copied(tmp_path), packaged.folder.parent
    shutil.copytree(build / "vendor", tmp_path / "build" / "vendor")
    shutil.copy(build / "vendor.stamp", tmp_path / "build" / "vendor.stamp")
    with (root / "chalicelib" / "domain.py").open("a") as code:
        code.write("ADDED = 1\n")

    made = package("dev", lambda _: None, root, tmp_path / "build")

    assert made.fingerprint != packaged.fingerprint
    assert made.truth_fingerprint == packaged.truth_fingerprint


def test_changed_code_is_packaged_anew(packaged: Package, tmp_path: Path) -> None:
    root, build = copied(tmp_path), packaged.folder.parent
    shutil.copytree(build / "vendor", tmp_path / "build" / "vendor")
    shutil.copy(build / "vendor.stamp", tmp_path / "build" / "vendor.stamp")
    with (root / "chalicelib" / "leftfold" / "kernel" / "decider.py").open("a") as code:
        code.write("ADDED = 1\n")

    made = package("dev", lambda _: None, root, tmp_path / "build")

    assert made.made_anew
    assert made.fingerprint != packaged.fingerprint
    assert made.truth_fingerprint != packaged.truth_fingerprint
    with zipfile.ZipFile(made.zip) as contents:
        assert contents.read("chalicelib/leftfold/kernel/decider.py").endswith(b"ADDED = 1\n")


def test_an_app_that_cannot_be_imported_is_told_in_one_line(
    packaged: Package, tmp_path: Path
) -> None:
    root, build = copied(tmp_path), packaged.folder.parent
    shutil.copytree(build / "vendor", tmp_path / "build" / "vendor")
    shutil.copy(build / "vendor.stamp", tmp_path / "build" / "vendor.stamp")
    (root / "app.py").write_text("import nothing_of_this_name\n")

    with pytest.raises(PackagingError, match=r"No module named 'nothing_of_this_name'"):
        package("dev", lambda _: None, root, tmp_path / "build")


def test_a_stage_that_is_not_configured_is_refused() -> None:
    with pytest.raises(StageError, match=r"no stage 'moon' .* \(it has dev, .*\); add it there"):
        package("moon", lambda _: None)


def copied(tmp_path: Path) -> Path:
    """A copy of all that is packaged."""
    root = tmp_path / "root"
    root.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "deployments", "deployed")
    for folder in ("chalicelib", ".chalice", "infra"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    for file in ("app.py", "requirements.txt"):
        shutil.copy(ROOT / file, root / file)
    return root
