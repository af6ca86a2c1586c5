"""Which metrics are exported, and under which names: the user's choice."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

from vmwatch.sample import Column, Columns, Metric
from vmwatch_exporters.prometheus.aliases import Compatibility, aliases
from vmwatch_exporters.prometheus.text import escape, label_name

_MAX_PLANS = 10_000

Cell = tuple[str, str, int]
"""A series of a row: its text before the row's labels, that after them, and the number's place in the row."""

Family = tuple[Metric, Sequence[Cell]]

Plan = Sequence[tuple[Sequence[str], Sequence[Family]]]
"""How rows under the same columns are written: for each naming of their labels, the families and their cells."""


class Naming:
    """The names of metrics: those that match *allow* (all where it is empty) and not *deny*, with their aliases.

    *static* are the names of the user's labels that all series have: one of a domain's metadata is renamed beside it.
    """

    def __init__(
        self,
        compatibility: Sequence[Compatibility],
        allow: Sequence[str],
        deny: Sequence[str],
        static: Collection[str] = (),
    ) -> None:
        self._taken = {"host", "domain", *static}
        self._aliases = aliases(compatibility)
        self._allow = allow or ("*",)
        self._deny = deny
        self._names: dict[str, list[tuple[Metric, Mapping[str, str]]]] = {}
        self._plans: dict[Columns, Plan] = {}

    def exported(self, name: str) -> bool:
        """Say whether the metric called *name* is wanted."""
        matched = (any(fnmatchcase(name, glob) for glob in globs) for globs in (self._allow, self._deny))
        return next(matched) and not next(matched)

    def names(self, metric: Metric) -> list[tuple[Metric, Mapping[str, str]]]:
        """Return *metric* under all its wanted names, each with the labels that are called otherwise there."""
        found = self._names.get(metric.name)
        if found is None:
            own: list[tuple[Metric, Mapping[str, str]]] = [(metric, {})]
            own += [(alias.metric(metric), dict(alias.labels)) for alias in self._aliases.get(metric.name, ())]
            found = self._names[metric.name] = [(named, labels) for named, labels in own if self.exported(named.name)]
        return found

    def plan(self, columns: Columns) -> Plan:
        """Return how rows under *columns* are written; made once for each."""
        plan = self._plans.get(columns)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            plan = self._plans[columns] = self._make_plan(columns)
        return plan

    def _make_plan(self, columns: Columns) -> Plan:
        plan: dict[tuple[str, ...], dict[str, tuple[Metric, list[Cell]]]] = {}
        for at, column in enumerate(columns.columns):
            for metric, renamed in self.names(column.metric):
                labels = tuple(self._label(renamed.get(label, label)) for label in columns.labels)
                family = plan.setdefault(labels, {}).setdefault(metric.name, (metric, []))
                family[1].append((*_around(metric, column), at))
        return [(labels, list(families.values())) for labels, families in plan.items()]

    def _label(self, name: str) -> str:
        name = label_name(name)
        return f"metadata_{name}" if name in self._taken else name


def _around(metric: Metric, column: Column) -> tuple[str, str]:
    labels = "".join(f',{name}="{escape(value)}"' for name, value in column.labels)
    return f"{metric.name}{column.suffix}{{", f"{labels}}} "
