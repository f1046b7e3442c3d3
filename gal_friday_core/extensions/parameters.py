"""What an extension can be told in the configuration."""

from gal_friday_core.section import Section


class NoParameters(Section):
    """Nothing can be set."""
