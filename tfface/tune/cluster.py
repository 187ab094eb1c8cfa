"""Train one network on several nodes of a Ray cluster:

    python tune/train_on_cluster.py --workers 2 --address auto -- --model mnv2_light --out /shared/run

What follows `--` is for `tfface train`, whose --strategy multi_worker it adds on every worker. When a worker
or its node is lost, all are started again and go on from the last checkpoint; --out must therefore be a folder that all
nodes share. `data.batch` is each worker's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import tyro


@dataclass(frozen=True)
class Options:
    """How many workers, and what each of them has."""

    workers: int = 2
    """Workers, on different nodes as far as there are enough."""
    address: str = ""
    """A Ray cluster's address, or auto; empty: this machine."""
    cpus: float = 1.0
    """Cores of a worker."""
    gpus: float = 0.0
    """GPUs of a worker."""
    retries: int = 3
    """How often all are started again after one was lost."""


def main(argv: list[str] | None = None) -> int:
    """Trains; 0.

    Raises:
        UserError: the workers failed too often, or what follows -- is wrong.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = tyro.cli(Options, args=arguments[:split], prog="python tune/train_on_cluster.py", description=__doc__)
    from tfface import train
    from tfface.errors import UserError
    from tfface.parallel.ray_cluster import cluster

    given = arguments[split + 1 :]
    if not train.parse(given).run.out:
        raise UserError("Name the run's folder, which all nodes share, with -- --out DIR.")
    with cluster(options.address, options.cpus, quiet=False):
        for attempt in range(options.retries + 1):
            failure = _attempt(options, given)
            if not failure:
                return 0
            print(f"attempt {attempt + 1}: {failure}", file=sys.stderr, flush=True)
    raise UserError(f"The workers failed {options.retries + 1} times; the last error stands above.")


def _attempt(options: Options, arguments: list[str]) -> str:
    """Runs all workers once; what failed first, or nothing."""
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = placement_group([{"CPU": options.cpus, "GPU": options.gpus}] * options.workers, strategy="SPREAD")
    actor = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus)(Worker)
    workers: list[Any] = [  # Ray's types know no methods of actors
        actor.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group, index)).remote()
        for index in range(options.workers)
    ]
    try:
        addresses = ray.get([worker.address.remote() for worker in workers])
        waiting = [worker.train.remote(addresses, index, arguments) for index, worker in enumerate(workers)]
        while waiting:
            done, waiting = ray.wait(waiting)
            ray.get(done)
        return ""
    except ray.exceptions.RayError as error:
        return str(error).strip().splitlines()[-1]
    finally:
        for worker in workers:
            ray.kill(worker)
        remove_placement_group(group)


class Worker:
    """One worker's process."""

    def address(self) -> str:
        """Where the other workers find it."""
        import socket

        import ray

        with socket.socket() as opened:
            opened.bind(("", 0))
            return f"{ray.util.get_node_ip_address()}:{opened.getsockname()[1]}"

    def train(self, addresses: list[str], index: int, arguments: list[str]) -> Any:
        """Trains as `tfface train` does."""
        import json
        import os

        place = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        os.environ["TF_CONFIG"] = json.dumps(place)
        from tfface import train

        return train.main([*arguments, "--strategy", "multi_worker"])


if __name__ == "__main__":
    from tfface.cli import run

    sys.exit(run(main))
