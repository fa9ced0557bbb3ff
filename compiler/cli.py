"""The command ``gradwright``. What a command needs is imported when it runs: ``--help`` and errors come at once."""

from __future__ import annotations

import click

from . import __version__
from .commands.fmt import fmt_command
from .commands.machine import cache_command, doctor_command, tune_command
from .commands.models import STAGES, check_command, compile_command, derive_command, explain_command, graph_command
from .commands.running import bench_command, gradcheck_command, predict_command, profile_command, train_command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, no_args_is_help=True)
@click.version_option(__version__, "--version", "-V", prog_name="gradwright")
def main() -> None:
    """Turn a model written as formulas into fast, readable training code.

    \b
    Examples:
      gradwright check examples/xor.gw
      gradwright compile examples/xor.gw            # then, in Python: from generated import xor
      gradwright derive examples/neuron.gw          # where each local derivative comes from
      gradwright train examples/xor.gw --data xor.npz --epochs 1000 --checkpoint xor.safetensors
      gradwright fmt                                # every model here in one look
      gradwright doctor                             # what this machine can do

    \b
    Exit codes: 0 all is well, 1 errors in the model, 2 wrong usage, 3 no working C compiler, 4 a fault in Gradwright.
    Shell completion, in the file that your shell reads at its start:
      bash  eval "$(_GRADWRIGHT_COMPLETE=bash_source gradwright)"
      zsh   eval "$(_GRADWRIGHT_COMPLETE=zsh_source gradwright)"
      fish  _GRADWRIGHT_COMPLETE=fish_source gradwright | source
    """


for _command in (
    compile_command, check_command, graph_command, derive_command, explain_command, fmt_command,
    gradcheck_command, train_command, predict_command, bench_command, profile_command, cache_command, doctor_command,
    tune_command,
):  # fmt: skip
    main.add_command(_command)

__all__ = ["STAGES", "main"]
