"""A model's certificate: every gate with its number, its limit and its verdict, and what exactly was judged.

It holds no time of day: the same data, configuration and incumbent give the same bytes. Who may sign those
bytes is decided elsewhere; here a certificate that contradicts itself is refused. `gates.certify` makes one.
"""

from typing import Literal

import msgspec

from gal_friday_core import artifact
from gal_friday_core.errors import ArtifactError

FORMAT = 1
GATES = (
    "log_loss_gain", "net_profit", "trades", "beats_production", "psr", "dsr", "pbo", "min_track_record",
    "stress_costs", "stress_latency", "leakage_canary", "serving_parity", "replay_parity", "artifact_hash",
    "calibration_error", "data_quality",
)  # fmt: skip
"""Every certificate has exactly these, in this order."""

Comparison = Literal["above", "at_least", "below", "at_most", "equal"]


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question with its answer. `value` None is unknown, and not passed; `limit` None as well: there is nothing to ask."""

    name: str
    value: float | None
    limit: float | None
    comparison: Comparison
    passed: bool
    about: str

    @classmethod
    def of(
        cls, name: str, value: float | None, comparison: Comparison, limit: float | None, about: str
    ) -> "Gate":
        """The gate with the verdict that its numbers have."""
        return cls(name, value, limit, comparison, _holds(value, comparison, limit), about)


class Certificate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`artifact_sha256` is the artifact's id; `incumbent` the id of the production model that it was compared with.

    `trials`: configurations that were tried until this one was chosen, itself included.
    """

    model_type: str
    artifact_sha256: str
    series: str
    feature_set: str
    schema_hash: str
    label_set: str
    label_hash: str
    data_version: str
    code_version: str
    config_hash: str
    trials: int
    incumbent: str | None
    gates: tuple[Gate, ...]
    passed: bool
    format: int = FORMAT

    @property
    def reasons(self) -> tuple[str, ...]:
        """In plain words, each once: of the gates that failed, or of all where none did."""
        return tuple(dict.fromkeys(gate.about for gate in self.gates if not gate.passed or self.passed))

    def gate(self, name: str) -> Gate:
        return self.gates[GATES.index(name)]

    def to_bytes(self) -> bytes:
        """The one form that is stored and signed."""
        return artifact.to_json(msgspec.to_builtins(self))

    @classmethod
    def from_bytes(cls, content: bytes) -> "Certificate":
        """Raises ArtifactError for anything but what `to_bytes` gives of a certificate that agrees with itself."""
        try:
            found = msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ArtifactError(f"certificate: {error}; certify the model again") from None
        wrong = _contradiction(found) or ("not in its canonical form" if found.to_bytes() != content else "")
        if wrong:
            raise ArtifactError(f"certificate: {wrong}: it was altered; certify the model again")
        return found


def _contradiction(found: Certificate) -> str:
    if found.format != FORMAT:
        return f"format {found.format}, this version reads {FORMAT}"
    if tuple(gate.name for gate in found.gates) != GATES:
        return "its gates are not those of this format"
    for gate in found.gates:
        if gate.passed != _holds(gate.value, gate.comparison, gate.limit):
            return f"gate {gate.name} says passed: {gate.passed}, its numbers say otherwise"
    if found.passed != all(gate.passed for gate in found.gates):
        return f"it says passed: {found.passed}, its gates say otherwise"
    return ""


def _holds(value: float | None, comparison: Comparison, limit: float | None) -> bool:
    if value is None or limit is None:
        return value is None and limit is None
    return {
        "above": value > limit,
        "at_least": value >= limit,
        "below": value < limit,
        "at_most": value <= limit,
        "equal": value == limit,
    }[comparison]
