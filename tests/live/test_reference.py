"""The reference pages say what the code says."""

from pathlib import Path

from gal_friday_live.reference import configuration_page


def test_configuration_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text(encoding="utf-8") == configuration_page(), (
        "run: python -m gal_friday_live.reference"
    )


def test_every_setting_says_what_it_means():
    from gal_friday_core.config import Config, Section

    for name, field in Config.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section)):
            assert field.description, f"{name} has no description"
            continue
        for key, setting in field.annotation.model_fields.items():
            assert setting.description, f"{name}.{key} has no description"
