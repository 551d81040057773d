"""The stack's pure decisions: back-off, ports, Java, prerequisites, files, and what a JVM is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc.errors import ConfigurationError
from local_stack import preflight
from local_stack.component import PortSpec
from local_stack.context import Places
from local_stack.envfile import read_env, render_env, write_atomically
from local_stack.java import find_java, read_major
from local_stack.ports import choose_ports
from local_stack.spark_processes import classify
from local_stack.supervisor.daemon import stop_before
from local_stack.supervisor.gate import StartGate
from local_stack.supervisor.policy import Deaths, RestartPolicy, State
from local_stack.supervisor.process import last_line, rotate
from tests.unit.local_stack import toy_stack

POLICY = RestartPolicy()


class TestBackOff:
    def test_it_doubles_up_to_the_longest_pause(self) -> None:
        deaths, delays = Deaths(), []
        for _ in range(7):
            deaths = deaths.after(0.0, POLICY)
            delays.append(deaths.delay_s(POLICY))
        assert delays == [1, 2, 4, 8, 16, 30, 30]

    def test_a_minute_of_health_forgives(self) -> None:
        assert Deaths(quick=4).after(60.0, POLICY) == Deaths(quick=1)
        assert Deaths(quick=4).after(59.0, POLICY) == Deaths(quick=5)

    def test_it_is_failed_after_five_and_still_tried(self) -> None:
        assert Deaths(quick=4).state(POLICY) is State.BACKOFF
        assert Deaths(quick=5).state(POLICY) is State.FAILED
        assert Deaths(quick=100_000).delay_s(POLICY) == POLICY.max_delay_s

    @given(st.lists(st.floats(min_value=0, max_value=200), max_size=30))
    def test_a_pause_is_never_longer_than_the_longest(self, lifetimes: list[float]) -> None:
        deaths = Deaths()
        for lifetime in lifetimes:
            deaths = deaths.after(lifetime, POLICY)
            assert POLICY.first_delay_s <= deaths.delay_s(POLICY) <= POLICY.max_delay_s


class TestPorts:
    SPECS = (PortSpec("a", 100), PortSpec("b", 200))

    def test_the_preferred_one_when_free(self) -> None:
        assert choose_ports(self.SPECS, {}, lambda _: True) == {"a": 100, "b": 200}

    def test_the_remembered_one_before_the_preferred_one(self) -> None:
        assert choose_ports(self.SPECS, {"a": 777}, lambda _: True) == {"a": 777, "b": 200}

    def test_another_one_when_taken(self) -> None:
        taken = {100, 777}
        assert choose_ports(self.SPECS, {"a": 777}, lambda p: p not in taken, [777, 778]) == {
            "a": 778,
            "b": 200,
        }

    def test_one_that_another_component_has_is_not_given_twice(self) -> None:
        assert choose_ports(self.SPECS, {"a": 200}, lambda _: True, [9]) == {"a": 200, "b": 9}

    def test_none_free_and_names_twice_are_said(self) -> None:
        with pytest.raises(ConfigurationError, match="no free port"):
            choose_ports(self.SPECS, {}, lambda _: False, [1, 2])
        with pytest.raises(ConfigurationError, match="two components declare a port named a"):
            choose_ports((self.SPECS[0], self.SPECS[0]), {}, lambda _: True)


class TestJava:
    @staticmethod
    def make(folder: Path, name: str, version: str) -> Path:
        home = folder / name
        (home / "bin").mkdir(parents=True)
        (home / "bin" / "java").write_text("")
        (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
        return home

    def test_java_home_wins(self, tmp_path: Path) -> None:
        self.make(tmp_path, "a17", "17.0.9")
        chosen = self.make(tmp_path, "z21", "21.0.1")
        env = {"JAVA_HOME": str(chosen), "PATH": "", "CDC_JVM_FOLDERS": str(tmp_path)}
        assert find_java(env) == chosen

    def test_an_unsupported_java_home_is_passed_over(self, tmp_path: Path) -> None:
        newest = self.make(tmp_path, "a25", "25.0.1")
        usable = self.make(tmp_path, "b17", "17.0.9")
        assert find_java({"JAVA_HOME": str(newest), "CDC_JVM_FOLDERS": str(tmp_path)}) == usable

    def test_none_is_one_sentence_that_names_what_was_found(self, tmp_path: Path) -> None:
        newest = self.make(tmp_path, "a25", "25.0.1")
        with pytest.raises(ConfigurationError, match=f"Java 17 or 21 is needed, and {newest} is Java 25"):
            find_java({"CDC_JVM_FOLDERS": str(tmp_path), "PATH": ""})
        with pytest.raises(ConfigurationError, match="none was found: install one"):
            find_java({"CDC_JVM_FOLDERS": str(tmp_path / "none"), "PATH": ""})

    def test_an_old_java_names_itself_otherwise(self, tmp_path: Path) -> None:
        assert read_major(self.make(tmp_path, "a8", "1.8.0_392")) == 1


class TestPrerequisites:
    def test_each_failure_says_what_to_do(self, tmp_path: Path) -> None:
        assert "built for Linux" in (preflight.explain_system("Darwin", "arm64") or "")
        assert "stop other programs" in (preflight.explain_memory(2e9) or "")
        assert "2.0 GB are free" in (preflight.explain_disk(tmp_path, 2e9) or "")
        assert "`make bootstrap` fetches them" in (preflight.explain_jars(tmp_path) or "")
        assert "`make bootstrap` completes it" in (preflight.explain_packages(("no_such_package",)) or "")
        assert "breaks class paths" in (preflight.explain_home(Path("/tmp/a b")) or "")

    def test_a_good_machine_has_nothing_to_say(self, tmp_path: Path) -> None:
        assert preflight.explain_system("Linux", "x86_64") is None
        assert preflight.explain_memory(8e9) is None
        assert preflight.explain_disk(tmp_path, 8e9) is None
        assert preflight.explain_packages(("pytest",)) is None
        assert preflight.explain_home(tmp_path / "not" / "yet") is None

    def test_all_problems_are_said_at_once(self, tmp_path: Path) -> None:
        places = Places(tmp_path, tmp_path / "a b", tmp_path / "jars")
        with pytest.raises(ConfigurationError) as caught:
            preflight.check_prerequisites(places, {"PATH": "", "CDC_JVM_FOLDERS": str(tmp_path)})
        said = str(caught.value)
        assert "lacks the jars" in said
        assert "breaks class paths" in said
        assert "Java 17 or 21 is needed" in said


class TestFiles:
    @given(
        st.dictionaries(
            st.from_regex(r"[A-Z_]{1,8}", fullmatch=True),
            st.text(st.characters(exclude_categories=["C", "Z"])),
        )
    )
    def test_an_env_file_reads_what_it_writes(self, values: dict[str, str]) -> None:
        path = Path("/dev/shm") / "cdc-env-test"
        path.write_text(render_env(values), encoding="utf-8")
        try:
            assert read_env(path) == values
        finally:
            path.unlink()

    def test_a_line_break_is_refused(self) -> None:
        with pytest.raises(ValueError, match="A has a line break"):
            render_env({"A": "x\ny"})

    def test_a_replaced_file_has_the_mode_and_leaves_no_scratch(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / "secret", "1", 0o600)
        write_atomically(tmp_path / "secret", "2", 0o600)
        assert [p.name for p in tmp_path.iterdir()] == ["secret"]
        assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600

    def test_a_long_log_is_moved_aside(self, tmp_path: Path) -> None:
        log = tmp_path / "kafka.log"
        log.write_text("old\nlast words\n\n")
        assert last_line(log) == "last words"
        rotate(log, limit=5)
        assert not log.exists()
        assert (tmp_path / "kafka.log.1").exists()
        assert last_line(log) == ""


class TestStopOrder:
    def test_clients_stop_before_servers_and_equals_together(self) -> None:
        base, middle, top = toy_stack.components()
        flaky = toy_stack.Flaky()  # requires nothing, as base does
        assert stop_before(base, (middle, top, flaky)) == ["middle", "top"]
        assert stop_before(middle, (top, flaky)) == ["top", "flaky"]
        assert stop_before(top, ()) == []


class TestGate:
    def test_heavy_ones_start_one_at_a_time_and_in_rank_order(self) -> None:
        gate, stop, order = StartGate(slots=2, heavy_slots=1), threading.Event(), []
        together, most = [], []

        def start(rank: int) -> None:
            with gate.slot(rank, heavy=True, stop=stop):
                together.append(rank)
                order.append(rank)
                most.append(len(together))
                stop.wait(0.02)
                together.remove(rank)

        with gate.slot(0, heavy=True, stop=stop):
            threads = [threading.Thread(target=start, args=(rank,)) for rank in (3, 1, 2)]
            for thread in threads:
                thread.start()
                stop.wait(0.05)
            with gate.slot(9, heavy=False, stop=stop) as granted:
                assert granted  # a light one does not wait for them
            assert order == []
        for thread in threads:
            thread.join()
        assert order == [1, 2, 3]
        assert max(most) == 1

    def test_who_waits_is_released_by_a_stop(self) -> None:
        gate, stop = StartGate(slots=1, heavy_slots=1), threading.Event()
        with gate.slot(0, heavy=False, stop=threading.Event()):
            stop.set()
            with gate.slot(1, heavy=False, stop=stop) as granted:
                assert not granted


class TestSparkProcesses:
    def test_drivers_and_executors_are_told_apart(self) -> None:
        backend = "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend"
        assert (
            classify(("java", "-Xmx1g", "org.apache.spark.deploy.yarn.ApplicationMaster", "--class", "x"))
            == "driver"
        )
        assert (
            classify(("java", backend, "--driver-url", "spark://x", "--executor-id", "2", "--cores", "1"))
            == "2"
        )
        assert classify(("java", "org.apache.hadoop.yarn.server.nodemanager.NodeManager")) is None
