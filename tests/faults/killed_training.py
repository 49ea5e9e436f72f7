"""A training run that is killed at a step: `python -m tests.faults.killed_training STEP …`."""

import os
import signal
import sys

from spark_entities.jobs.finetune import main
from spark_entities.jobs.training.steps import Stepper


def kill_at(step: int) -> None:
    """Let the process die, as `kill -9` does it, when it comes to a step."""
    take = Stepper.take

    def take_or_die(self, index, rows):
        if index == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return take(self, index, rows)

    Stepper.take = take_or_die


if __name__ == "__main__":
    kill_at(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
