"""How the stack starts a JVM: capped, quiet, and logging to its standard output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from local_stack.component import StackContext
from local_stack.envfile import write_atomically

# Small heaps on few cores: the serial collector has the smallest footprint, and a JVM that is out of
# memory must end, so that it is started again, rather than limp on.
FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:MaxMetaspaceSize=192m",
    "-XX:ReservedCodeCacheSize=96m",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
    "-Dfile.encoding=UTF-8",
)

# For JVMs that mostly start up and wait: on two cores the optimising compiler takes more than it gives. A
# Spark application of a few small queries took 16.5 s of CPU with this flag and 27.5 s without.
QUICK_START = "-XX:TieredStopAtLevel=1"

# Hadoop starts `chmod` for each file of a checkpoint; Java's own way puts a helper program in between.
QUICK_FORK = "-Djdk.lang.Process.launchMechanism=VFORK"

LOG4J2 = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p %c{1} - %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
logger.clients.name = org.apache.kafka.clients
logger.clients.level = warn
logger.configs.name = org.apache.kafka.common.config
logger.configs.level = warn
logger.reflections.name = org.reflections
logger.reflections.level = error
"""

LOG4J1 = """\
log4j.rootLogger=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.EnhancedPatternLayout
log4j.appender.console.layout.ConversionPattern=%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %-5p %c{1} - %m%n
log4j.logger.org.eclipse.jetty=WARN
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
"""


def java_argv(
    ctx: StackContext, classpath: str, main: str, *args: str, heap_mb: int, options: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The argument list of a JVM with a heap of at most `heap_mb` MB."""
    heap = (f"-Xms{min(64, heap_mb)}m", f"-Xmx{heap_mb}m")
    return (str(ctx.java), *heap, *FLAGS, *options, "-cp", classpath, main, *args)


def write_log4j2(folder: Path) -> str:
    """Write the logging configuration of Kafka and Connect; returns the JVM option that names it."""
    path = folder / "log4j2.properties"
    write_atomically(path, LOG4J2)
    return f"-Dlog4j2.configurationFile={path}"


def write_log4j1(folder: Path) -> str:
    """Write the logging configuration of Hadoop; returns the JVM option that names it."""
    path = folder / "log4j.properties"
    write_atomically(path, LOG4J1)
    return f"-Dlog4j.configuration={path.as_uri()}"


def render_properties(values: Mapping[str, str]) -> str:
    """Render a `.properties` file; values here have no character that the format gives a meaning to."""
    return "".join(f"{key}={value}\n" for key, value in values.items())
