"""The quota of the control groups: the least from the process's own up to the root, and never an error."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest

from fastact.core.quota import cpu_quota

ROOT_MOUNT = "22 1 0:20 / / rw - ext4 /dev/sda rw"
V2 = "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct"
V1_MEMORY = "34 30 0:30 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory"
TOP, OWN = "sys/fs/cgroup", "sys/fs/cgroup/system.slice/net.service"
V1_TOP = "sys/fs/cgroup/cpu,cpuacct"


@pytest.fixture
def quota(tmp_path):
    """The quota that is read below a root of these files: the groups' paths, the mounts, and others."""

    def read(groups: str, mounts: list[str], files: dict[str, str]) -> float:
        mountinfo = "".join(f"{line}\n" for line in [ROOT_MOUNT, *mounts])
        for name, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mountinfo, **files}.items():
            path = Path(tmp_path, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("latin-1"))
        return cpu_quota(tmp_path)

    return read


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({f"{OWN}/cpu.max": "150000 100000\n"}, 1.5),
        ({f"{OWN}/../cpu.max": "50000 100000\n", f"{OWN}/cpu.max": "max 100000\n"}, 0.5),
        ({f"{OWN}/../cpu.max": "300000 100000\n", f"{OWN}/cpu.max": "200000 100000\n"}, 2),
        ({f"{OWN}/../cpu.max": "200000 100000\n", f"{OWN}/cpu.max": "300000 100000\n"}, 2),
        ({f"{TOP}/cpu.max": "400000 100000\n", f"{OWN}/cpu.max": "max 100000\n"}, 4),
        ({f"{TOP}/user.slice/cpu.max": "100000 100000\n", f"{OWN}/cpu.max": "max 100000\n"}, inf),
    ],
    ids=["own", "above", "least is own", "least is above", "topmost", "another's"],
)
def test_version_2_own_group_and_all_above(quota, files, processors):
    """systemd's CPUQuota is that of a service's group, which no file of the root says."""
    assert quota("0::/system.slice/net.service\n", [V2], {f"{OWN}/cpu.stat": "", **files}) == processors


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({"docker/x/cpu.cfs_quota_us": "150000", "docker/x/cpu.cfs_period_us": "50000"}, 3),
        ({"docker/cpu.cfs_quota_us": "150000", "docker/cpu.cfs_period_us": "100000"}, 1.5),
        ({"cpu.cfs_quota_us": "100000", "cpu.cfs_period_us": "100000"}, 1),
        ({"docker/x/cpu.cfs_quota_us": "-1", "docker/x/cpu.cfs_period_us": "100000"}, inf),
    ],
    ids=["own", "above", "topmost", "none"],
)
def test_version_1_own_group_and_all_above(quota, files, processors):
    """The group that counts is that of the hierarchy with the controller cpu, wherever it is mounted."""
    groups = "5:memory:/docker/other\n4:cpuset:/\n3:cpu,cpuacct:/docker/x\n1:name=systemd:/x\n"
    placed = {f"{V1_TOP}/{name}": f"{text}\n" for name, text in files.items()}
    assert quota(groups, [V1_MEMORY, V1], placed) == processors


def test_both_versions_at_once(quota):
    """systemd's hybrid layout: cpu in version 1, and version 2 beside it; the least of both counts."""
    unified = V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    files = {
        f"{V1_TOP}/a/cpu.cfs_quota_us": "200000",
        f"{V1_TOP}/a/cpu.cfs_period_us": "100000",
        "sys/fs/cgroup/unified/b/cpu.max": "300000 100000",
    }
    assert quota("3:cpu,cpuacct:/a\n0::/b\n", [unified, V1], files) == 2


def test_a_container_that_sees_its_own_group_as_the_top_of_the_mount(quota):
    """Without a namespace the path is the host's, and so is the mount's root."""
    mounts = [V1.replace("0:29 / ", "0:29 /docker/x ")]
    files = {f"{V1_TOP}/cpu.cfs_quota_us": "200000", f"{V1_TOP}/cpu.cfs_period_us": "100000"}
    assert quota("3:cpu,cpuacct:/docker/x\n", mounts, files) == 2
    deeper = {f"{V1_TOP}/job/cpu.cfs_quota_us": "100000", f"{V1_TOP}/job/cpu.cfs_period_us": "100000"}
    assert quota("3:cpu,cpuacct:/docker/x/job\n", mounts, deeper) == 1


def test_a_group_outside_the_namespace_has_the_limits_that_can_be_seen(quota):
    """And no others: the path leads out of the mount, and is not followed there."""
    files = {f"{TOP}/cpu.max": "200000 100000", "sys/fs/other/cpu.max": "100000 100000"}
    assert quota("0::/../other\n", [V2], files) == 2


def test_a_mount_that_reaches_above_the_namespace_shows_the_group(quota):
    mount = V2.replace("0:26 / ", "0:26 /.. ")
    assert quota("0::/../other\n", [mount], {f"{TOP}/other/cpu.max": "300000 100000"}) == 3


def test_a_mount_of_another_group_limits_nothing(quota):
    other = V2.replace("0:26 / /sys/fs/cgroup", "0:26 /other /mnt/other")
    files = {"mnt/other/cpu.max": "100000 100000", f"{TOP}/own/cpu.max": "300000 100000"}
    assert quota("0::/own\n", [other, V2], files) == 3


def test_blanks_in_the_path_of_a_mount(quota):
    mount = V2.replace("/sys/fs/cgroup", r"/sys/fs/control\040groups")
    assert quota("0::/a b\n", [mount], {"sys/fs/control groups/a b/cpu.max": "200000 100000"}) == 2


NONSENSE = {
    "empty": "",
    "blank": " \n\n",
    "zero quota": "0 100000",
    "zero period": "100000 0",
    "both zero": "0 0",
    "negative": "-100000 100000",
    "negative period": "100000 -100000",
    "one number": "100000",
    "one word": "max",
    "three numbers": "100000 100000 100000",
    "words": "a b",
    "fractions": "1.5 1.0",
    "not a number": "nan nan",
    "huge": f"1{'0' * 400} 1",
    "longer than a number may be": f"{'9' * 5000} 1",
    "no text": "\xff\xfe\x00",
}


@pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE)
def test_what_makes_no_sense_is_no_limit(quota, text):
    """In either version; what a group above says still holds."""
    assert quota("0::/a\n", [V2], {f"{TOP}/a/cpu.max": text}) == inf
    assert quota("0::/a\n", [V2], {f"{TOP}/cpu.max": "200000 100000"}) == 2
    first, _, second = text.partition(" ")
    files = {f"{V1_TOP}/a/cpu.cfs_quota_us": first, f"{V1_TOP}/a/cpu.cfs_period_us": second}
    assert quota("1:cpu,cpuacct:/a\n", [V1], files) == inf


def test_missing_files_are_no_limit(quota, tmp_path):
    assert cpu_quota(tmp_path) == inf
    assert quota("0::/gone (deleted)\n", [V2], {}) == inf
    assert quota("1:cpu,cpuacct:/a\n", [V1], {f"{V1_TOP}/a/cpu.cfs_quota_us": "100000"}) == inf
    assert quota("0::/\n1:cpu:/\n", [], {f"{TOP}/cpu.max": "100000 100000"}) == inf


def test_a_folder_in_the_place_of_a_file_is_no_limit(quota):
    assert quota("0::/a\n", [V2], {f"{TOP}/a/cpu.max/x": ""}) == inf


@pytest.mark.parametrize(
    "line", ["", "-", " - ", "a - cgroup2", "1 2 3 / - cgroup2 x rw", "\xff", ":", "::", "0::"]
)
def test_lines_that_make_no_sense_are_skipped(quota, line):
    files = {f"{TOP}/cpu.max": "200000 100000"}
    assert quota(f"{line}\n0::/\n{line}\n", [line, V2, line], files) == 2
