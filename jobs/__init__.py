"""Dagster jobs: selections of assets by group and key."""
