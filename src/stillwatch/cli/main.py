"""`stillwatch`: one command a verb, each in its own file, imported only when it runs."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from stillwatch import __version__
from stillwatch.cli.config import with_config
from stillwatch.cli.output import INTERRUPTED

__all__ = ["run"]

# Command name -> (module, help). The module defines `command`.
# Listed here, not imported: `stillwatch --help` must not pay for the compiled kernels.
_COMMANDS: dict[str, tuple[str, str]] = {
    "import": ("stillwatch.cli.import_logs", "Take logs of a gateway or provider into a lake."),
    "receive": ("stillwatch.cli.receive", "Take exchanges over the network into a lake."),
    "senders": ("stillwatch.cli.senders", "Make tokens for those who send to a receiver."),
    "scan": ("stillwatch.cli.scan", "Find campaigns in an exchange log or a lake."),
    "watch": ("stillwatch.cli.watch", "Scan a lake whenever something was added to it."),
    "explain": ("stillwatch.cli.explain", "Say in words why a campaign or account was found."),
    "export-findings": (
        "stillwatch.cli.export_findings",
        "Write the campaigns of a scan as events for a SIEM.",
    ),
    "policy": ("stillwatch.cli.policy", "Check a policy, try it on the past, put it in force."),
    "serve": ("stillwatch.cli.serve", "Answer gateways: is this request to go on?"),
    "appeal": ("stillwatch.cli.appeal", "Take, read and decide appeals against refusals."),
    "rollback": ("stillwatch.cli.rollback", "Undo all that was done for a campaign."),
    "audit": ("stillwatch.cli.audit", "Verify, export or seal the record of what was done."),
    "user": ("stillwatch.cli.user", "Make people and their tokens: who may decide and approve."),
    "simulate": ("stillwatch.cli.simulate", "Write a traffic world with known truth."),
    "evaluate": ("stillwatch.cli.evaluate", "Compare findings with a world's truth."),
    "export": ("stillwatch.cli.export", "Write a lake as canonical tables."),
    "lake": (
        "stillwatch.cli.lake",
        "Check a lake, repair it, keep its files few, or erase from it.",
    ),
    "backup": ("stillwatch.cli.backup", "Write a lake into one file, with checksums."),
    "restore": ("stillwatch.cli.restore", "Bring a lake back from a backup."),
    "doctor": ("stillwatch.cli.doctor", "Check an installation, and say what to do."),
    "keys": ("stillwatch.cli.keys", "Make, show or import the key of the keyed tokens."),
    "config": ("stillwatch.cli.config_command", "Check a configuration, or show what holds."),
    "quarantine": (
        "stillwatch.cli.quarantine",
        "List or export the rows an import could not read.",
    ),
}


class _LazyGroup(click.Group):
    """Loads a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return with_config(command)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Click's own, but an interruption before the command has begun ends with 130, too."""
        try:
            return super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            click.echo("Interrupted. Nothing was left half-written.", err=True)
            sys.exit(INTERRUPTED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stillwatch")
def run() -> None:
    """Find illicit distillation of hosted language models, and prove it.

    Data goes to standard output, words for people to standard error.
    Exit status: 0 done, 1 failure, 2 unusable input or arguments; `scan` adds 3 for "found".
    """


if __name__ == "__main__":
    sys.exit(run())
