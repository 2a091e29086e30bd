"""The host: what it has, and how it is."""

from pathlib import Path

import psutil

from events.facts import HostSample
from events.policies import Needs


class Host:
    """Samples the host; the first sample has no cpu share to compare with and says 0."""

    def __init__(self) -> None:
        psutil.cpu_percent(None)

    def sample(self) -> HostSample:
        memory = psutil.virtual_memory()
        return HostSample(
            cpu_share=round(psutil.cpu_percent(None) / 100, 3),
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
            load=round(psutil.getloadavg()[0], 2),
        )


def measured_capacity(data_dir: Path) -> Needs:
    """Returns cores, memory, and the disk that is free where the node keeps its data."""
    folder = next(path for path in (data_dir, *data_dir.resolve().parents) if path.exists())
    return Needs(
        cpu=float(psutil.cpu_count() or 1),
        memory_bytes=psutil.virtual_memory().total,
        disk_bytes=psutil.disk_usage(str(folder)).free,
    )
