"""Developers and the tools whose prompts are public: long identical text from strangers."""

from __future__ import annotations

from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.clocks import WakingHours
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import DAY, MINUTE
from stillwatch.simulation.habits import own_work, person_origins, run_job
from stillwatch.simulation.populations.population import GroupSize, Single, Together
from stillwatch.simulation.text import AnswerStyle, WorkKind
from stillwatch.simulation.traffic import Manner

__all__ = [
    "CodingAgents",
    "Developers",
    "HostedNotebooks",
    "McpServers",
    "NicheApp",
    "SdkDefaults",
]

_AGENT_TOOLS = ("read_file", "write_file", "run_command", "search_code")
_MCP_TOOLS = (
    ("calendar_list", "calendar_create"),
    ("sql_query", "describe_table"),
    ("browse", "click", "screenshot"),
    ("tickets_search", "tickets_update"),
)
_PUBLIC = 7
_PUBLIC_AGENTS = 3


class Developers(Single):
    """Developers: code, templates of their own, long hours, and SDKs that everyone uses."""

    name, share, daily = "developers", 0.11, 5.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        kinds = (Software.EDITOR, Software.PYTHON_SDK, Software.NODE_SDK, Software.BROWSER)
        for volume in cohort.volumes(size, spread=1.3):
            customer = cohort.open(plan=str(rng.choice(["pay_as_you_go", "individual", "free"])))
            own_work(
                cohort,
                customer,
                WorkKind.DEVELOPER,
                int(volume),
                client=draw_client(rng, kinds[int(rng.integers(len(kinds)))]),
                origins=person_origins(cohort, customer.country),
            )


class CodingAgents(Single):
    """Agents behind a public system prompt: robot rhythm, thousands of identical instructions."""

    name, share, daily = "public_agents", 0.05, 12.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        for volume in cohort.volumes(size, spread=1.4):
            customer = cohort.open(plan="pay_as_you_go")
            agent = _PUBLIC + int(rng.integers(_PUBLIC_AGENTS))
            own_work(
                cohort,
                customer,
                WorkKind.AGENT_PUBLIC_SYSTEM,
                int(volume),
                client=draw_client(rng, Software.CODING_AGENT),
                origins=person_origins(cohort, customer.country),
                turns=9.0,
                system=cohort.library.system(WorkKind.AGENT_PUBLIC_SYSTEM, rng, owner=agent),
                tools=_AGENT_TOOLS,
                reasons=True,
            )


class SdkDefaults(Single):
    """Programs that never changed their SDK's default prompt: the same words from everywhere."""

    name, share, daily = "sdk_defaults", 0.03, 5.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        for volume in cohort.volumes(size, spread=1.5):
            customer = cohort.open(plan="pay_as_you_go")
            inputs = cohort.library.work(
                WorkKind.SDK_DEFAULT, rng, int(volume), owner=customer.seed
            )
            started = cohort.rhythms.client_times(
                rng, cohort.frame, int(volume), customer.begin, customer.end
            )
            manner = Manner(
                client=draw_client(rng, Software.FRAMEWORK),
                style=AnswerStyle.AUTO,
                system=cohort.library.system(WorkKind.SDK_DEFAULT, rng, owner=_PUBLIC),
                temperature=0.7,
                shares_prefix=True,
            )
            run_job(
                cohort, customer, inputs, started, manner, origins=[cohort.internet.hosting(rng)]
            )


class McpServers(Single):
    """Clients of tool servers: the servers' default prompts and tool lists, word for word."""

    name, share, daily = "mcp_servers", 0.02, 6.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        for volume in cohort.volumes(size, spread=1.2):
            customer = cohort.open(plan="pay_as_you_go")
            server = int(rng.integers(len(_MCP_TOOLS)))
            own_work(
                cohort,
                customer,
                WorkKind.MCP_SERVER,
                int(volume),
                client=draw_client(rng, Software.CODING_AGENT),
                origins=person_origins(cohort, customer.country),
                style=AnswerStyle.AUTO,
                turns=5.0,
                system=cohort.library.system(WorkKind.MCP_SERVER, rng, owner=_PUBLIC + server),
                tools=_MCP_TOOLS[server],
                context=False,
            )


class NicheApp(Together):
    """A niche open-source app: forty strangers, one rare prompt, one timer, one launch day."""

    name, share, daily, group = "niche_app", 0.02, 5.0, GroupSize(14, 40, 120)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        app = int(rng.integers(1 << 31))
        system = cohort.library.system(WorkKind.NICHE_APP, rng, owner=app)
        launch = frame.start + int(rng.uniform(-25, 0.3 * frame.days) * DAY)
        period = int(rng.choice([30, 60, 180])) * MINUTE
        client = draw_client(rng, Software.NODE_SDK)
        for volume in cohort.volumes(size, spread=0.6):
            born = launch + int(rng.exponential(1.5) * DAY)
            customer = cohort.open(plan="pay_as_you_go", born=min(born, frame.end - DAY))
            hours = WakingHours.draw(rng, customer.country.utc_offset)
            used = hours.moments(rng, int(volume), customer.begin, customer.end)
            # The app acts on its timer, some seconds after the round moment.
            started = used // period * period + rng.integers(0, 25_000_000, len(used))
            inputs = cohort.library.work(WorkKind.NICHE_APP, rng, len(used), owner=customer.seed)
            manner = Manner(client=client, style=AnswerStyle.AUTO, system=system, temperature=0.3)
            origins = person_origins(cohort, customer.country)
            run_job(cohort, customer, inputs, started, manner, origins=origins)


class HostedNotebooks(Single):
    """Users of hosted notebooks: a dozen addresses, one client, the same tutorial cells."""

    name, share, daily = "hosted_notebooks", 0.02, 4.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        for volume in cohort.volumes(size, spread=1.2):
            customer = cohort.open()
            own_work(
                cohort,
                customer,
                WorkKind.NOTEBOOK_USER,
                int(volume),
                client=draw_client(rng, Software.PYTHON_SDK),
                origins=[cohort.internet.notebooks(rng) for _ in range(3)],
                turns=3.0,
                context=False,
            )
