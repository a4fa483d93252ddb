"""The services of a deployment, for commands that look behind its API."""

from functools import partial

from chalicelib.domain import DOMAIN
from chalicelib.leftfold.archive.s3 import S3Archive
from chalicelib.leftfold.policies.mailing import NoMailer, SesMailer
from chalicelib.leftfold.policies.outside import EventBridge
from chalicelib.leftfold.relay.kinesis import KinesisBus
from chalicelib.leftfold.subjects.kms import Kms
from chalicelib.leftfold.wiring.services import Services, side_by_side
from chalicelib.leftfold.wiring.settings import Settings
from tools.cloud import Cloud
from tools.deploy import find
from tools.last_deployment import Current


def reach(current: Current) -> Services:
    """The parts that its functions use, with clients of our own. Raises DeployError."""
    cloud = Cloud(current.endpoint_url)
    deployed = find(current.stack, cloud)
    settings = Settings(
        {
            "LEFTFOLD_STACK": current.stack,
            "LEFTFOLD_TRUTH": deployed.outputs["Truth"],
            "LEFTFOLD_STAGE": deployed.outputs["Stage"],
            "LEFTFOLD_ARCHIVE": deployed.outputs.get("ArchiveBucket", ""),
            "LEFTFOLD_EARLIER": deployed.outputs.get("Earlier", ""),
            "LEFTFOLD_EARLIER_ARCHIVE": deployed.outputs.get("EarlierArchive", ""),
            "LEFTFOLD_EARLIER_LOGS": deployed.outputs.get("EarlierLogs", ""),
            "LEFTFOLD_ORDINAL": deployed.outputs.get("Ordinal", ""),
            "LEFTFOLD_SEARCH_ENDPOINT": deployed.outputs["SearchEndpoint"],
            "LEFTFOLD_REPAIRS": deployed.outputs["Repairs"],
            "LEFTFOLD_LOGS": deployed.outputs.get("Logs", ""),
            "LEFTFOLD_SEARCH_SCHEME": cloud.parameters.get("SearchScheme", "https"),
        }
    )
    # A redrive sends what its policy's function would have sent.
    sender = deployed.outputs.get("MailFrom")
    services = Services(
        settings,
        DOMAIN,
        dynamodb=cloud.client("dynamodb"),
        archive=S3Archive(partial(cloud.client, "s3"), settings.archive),
        earlier_archive=S3Archive(partial(cloud.client, "s3"), settings.earlier_archive),
        lambda_client=cloud.client("lambda"),
        mailer=SesMailer(cloud.client("ses"), sender) if sender else NoMailer(),
        key_service=Kms(partial(cloud.client, "kms"), settings.personal_data_key, settings.stage),
    )
    outside = settings.named("announcements")
    services.outside = EventBridge(cloud.client("events"), outside, side_by_side)
    services.bus = KinesisBus(cloud.client("kinesis"), settings.named("bus"), services.pause)
    return services
