"""The command `geojax NAME --config.FIELD=VALUE ... --workdir=DIR`: launch.py under the name geojax."""

import sys
from pathlib import Path

LAUNCHER = Path(__file__).parent / "_launcher"  # in a wheel; in a checkout, launch.py lies beside the package


def main() -> None:
    """Runs launch.py, its configs and its experiments in this process."""
    sys.path.insert(0, str(LAUNCHER if LAUNCHER.exists() else LAUNCHER.parents[1]))
    sys.argv[0] = "geojax"
    from launch import start

    start()


if __name__ == "__main__":
    main()
