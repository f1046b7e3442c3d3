import pytest

from gal_friday_core.errors import ContractError
from gal_friday_core.strands.tags import (
    ADDRESSES,
    EXECUTE_PLAN,
    MODULES,
    SAYS,
    Tags,
    channel_of,
    hears,
    timeout_until,
)


def test_every_tag_of_the_protocol_has_its_channel_and_one_hearer():
    assert [channel_of(tag) for tag in ADDRESSES] == [
        "dm_evaluate_plan", "alpha_decision_feedback", "trader_execute_plan", "alpha_execution_feedback",
        "dm_execution_feedback",
    ]  # fmt: skip
    assert sorted(tag for module in MODULES for tag in hears(module)) == sorted(ADDRESSES)


def test_tags_are_read_and_written_back():
    words = [
        "dm:evaluate_plan", "priority:high", "timeout:300", "original_strand:0199-a", "account:night desk",
        "from:btc", "error:expired",
    ]  # fmt: skip
    tags = Tags.parse(words, by="alpha")
    assert tags == Tags(
        addressed=("dm:evaluate_plan",), high=True, timeout_s=300, original="0199-a", errors=("error:expired",),
        account="night desk", sender="btc",
    )  # fmt: skip
    assert tags.words() == words
    assert Tags.parse([]) == Tags()


@pytest.mark.parametrize(
    "words", ["dm:evaluate_plan", {"dm:evaluate_plan": 1}, None, 7, ["dm:evaluate_plan", 3]]
)
def test_what_is_no_list_of_texts_is_refused(words):
    with pytest.raises(ContractError, match="tags are a list of texts"):
        Tags.parse(words)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("dm:evaluate_plans", "did you mean 'dm:evaluate_plan'"),
        ("Priority:High", "did you mean 'priority:high'"),
        ("timeout:soon", "did you mean 'timeout:N'"),
        ("timeout:-3", "did you mean 'timeout:N'"),
        ("original_strand:", "did you mean 'original_strand:ID'"),
        ("x", "known are"),
        ("account: blank", "did you mean"),
    ],
)
def test_an_unknown_tag_is_refused_with_the_nearest(word, meant):
    with pytest.raises(ContractError, match="unknown tag") as told:
        Tags.parse(["dm:evaluate_plan", word])
    assert meant in str(told.value)


def test_a_tag_that_is_said_twice_is_refused():
    for words in (["timeout:1", "timeout:2"], ["priority:high", "priority:high"], ["from:a", "from:b"]):
        with pytest.raises(ContractError, match="twice"):
            Tags.parse(words)


def test_an_alpha_may_not_command_the_trader():
    with pytest.raises(ContractError, match="alpha may not say 'trader:execute_plan'"):
        Tags.parse([EXECUTE_PLAN], by="alpha")
    for module in MODULES:
        for tag in set(ADDRESSES) - set(SAYS[module]):
            with pytest.raises(ContractError, match="may not say"):
                Tags.parse([tag], by=module)


def test_a_timeout_is_rounded_up_and_never_negative():
    assert [timeout_until(at, 10_000_000_000) for at in (10_000_000_001, 12_000_000_000, 1)] == [1, 2, 0]
    assert Tags.parse([f"timeout:{timeout_until(2**62, 0)}"]).timeout_s == 31_536_000
    with pytest.raises(ContractError, match="longer than a year"):
        Tags.parse(["timeout:99999999"])
