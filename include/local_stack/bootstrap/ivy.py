"""Runs the Ivy that ships with Spark, so that neither Maven nor a download script is needed."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import quoteattr

from cdc.errors import ConfigurationError, UnavailableError
from local_stack.bootstrap.jarsets import Artifact, JarSet

HEAP = "-Xmx256m"
MODULE = (
    '<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">'
    '<info organisation="local" module={name}/><configurations><conf name="default"/></configurations>'
    "<dependencies>{dependencies}</dependencies></ivy-module>\n"
)
# No metadata, since the lock has resolved it already; our SHA-256 stands in for the repository's checksums.
FILES_ONLY = (
    '<ivysettings><settings defaultResolver="public"/><resolvers><ibiblio name="public" m2compatible="true" '
    'usepoms="false" useMavenMetadata="false" checksums=""/></resolvers></ivysettings>\n'
)
NO_NETWORK = re.compile(
    r"UnknownHost|ConnectException|Connection refused|timed out|SERVER ERROR|unreachable|SSLHandshake"
)
PROGRESS = re.compile(r"^\s*(found |\[SUCCESSFUL )")


@dataclass(frozen=True)
class Ivy:
    """Ivy with a Java to run it.

    Attributes:
        cache: a folder for each jar set, so that sets can be fetched at the same time.
    """

    java: Path
    jar: Path
    cache: Path
    env: Mapping[str, str]

    def fetch(
        self, name: str, artifacts: Iterable[Artifact], target: Path, advance: Callable[[], None]
    ) -> None:
        """Put exactly these files into `target`; `advance` is called twice for each, roughly."""
        settings = self._write(f"{name}-settings.xml", FILES_ONLY)
        module = self._write(f"{name}-files.xml", render_module(name, artifacts, transitive=False))
        self._run(name, module, target, advance, "-settings", str(settings))

    def resolve(self, jar_set: JarSet, target: Path, advance: Callable[[], None]) -> list[Artifact]:
        """Resolve a set with its dependencies, put everything into `target`, and say what it is."""
        module = self._write(
            f"{jar_set.name}-roots.xml",
            render_module(jar_set.name, (*jar_set.roots, *jar_set.overrides), transitive=jar_set.transitive),
        )
        self._run(jar_set.name, module, target, advance)
        report = self.cache / jar_set.name / f"local-{jar_set.name}-default.xml"
        return list(read_report(report.read_text(encoding="utf-8")))

    def _write(self, name: str, text: str) -> Path:
        self.cache.mkdir(parents=True, exist_ok=True)
        path = self.cache / name
        path.write_text(text, encoding="utf-8")
        return path

    def _run(self, name: str, module: Path, target: Path, advance: Callable[[], None], *options: str) -> None:
        command = (
            *(str(self.java), HEAP, "-XX:TieredStopAtLevel=1", *proxy_options(self.env)),
            *("-jar", str(self.jar), "-novalidate", "-cache", str(self.cache / name), *options),
            *("-ivy", str(module), "-retrieve", f"{target}/[artifact]-[revision](-[classifier]).[ext]"),
        )
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe was asked for
            lines = []
            for line in process.stdout:
                lines.append(line)
                if PROGRESS.match(line):
                    advance()
        if process.returncode != 0:
            raise explain_failure(name, "".join(lines))


def explain_failure(name: str, output: str) -> ConfigurationError | UnavailableError:
    """One sentence for a failed run of Ivy."""
    if "No space left" in output:
        return ConfigurationError(
            f"the disk is full while the jars of {name} are fetched: free about 1 GB and try again"
        )
    missing = re.findall(r"::\s+(\S+#\S+): not found", output)
    if NO_NETWORK.search(output) or not missing:
        return UnavailableError(
            f"the jars of {name} cannot be fetched, the Maven repository does not answer: check the network "
            "(behind a proxy, set HTTPS_PROXY) and try again; what has arrived is kept"
        )
    return UnavailableError(
        f"the Maven repository has no {', '.join(missing)}: try again, or correct jarsets.py"
    )


def proxy_options(env: Mapping[str, str]) -> tuple[str, ...]:
    """Java's words for HTTPS_PROXY, which it does not read itself."""
    proxy = urlsplit(env.get("HTTPS_PROXY") or env.get("https_proxy") or "")
    if not proxy.hostname:
        return ()
    return (f"-Dhttps.proxyHost={proxy.hostname}", f"-Dhttps.proxyPort={proxy.port or 3128}")


def render_module(name: str, artifacts: Iterable[Artifact], *, transitive: bool) -> str:
    """An Ivy module that depends on the artifacts."""
    # one dependency for each module: of two that name different files of a module, Ivy forgets one
    modules: dict[tuple[str, str, str], list[Artifact]] = {}
    for artifact in artifacts:
        modules.setdefault((artifact.organisation, artifact.module, artifact.revision), []).append(artifact)
    dependencies = "".join(_render_dependency(files, transitive=transitive) for files in modules.values())
    return MODULE.format(name=quoteattr(name), dependencies=dependencies)


def _render_dependency(files: list[Artifact], *, transitive: bool) -> str:
    first = files[0]
    head = (
        f"<dependency org={quoteattr(first.organisation)} name={quoteattr(first.module)} "
        f"rev={quoteattr(first.revision)} "
    )
    if transitive:
        return head + 'conf="default->default"/>'
    return f'{head}conf="default->*" transitive="false">{"".join(map(_render_file, files))}</dependency>'


def _render_file(artifact: Artifact) -> str:
    classifier = f" m:classifier={quoteattr(artifact.classifier)}" if artifact.classifier else ""
    extension = quoteattr(artifact.extension)
    return f"<artifact name={quoteattr(artifact.module)} type={extension} ext={extension}{classifier}/>"


def read_report(text: str) -> Iterator[Artifact]:
    """The artifacts of Ivy's resolution report, without evicted revisions."""
    report = ET.fromstring(text)  # noqa: S314 - written by the Ivy that we have just run
    for module in report.iter("module"):
        for revision in module.iter("revision"):
            if revision.get("evicted"):
                continue
            for artifact in revision.iter("artifact"):
                classifier = next((v for k, v in artifact.attrib.items() if k.endswith("m.classifier")), "")
                yield Artifact(
                    module.get("organisation", ""),
                    artifact.get("name", ""),
                    revision.get("name", ""),
                    classifier,
                    artifact.get("ext", "jar"),
                )
