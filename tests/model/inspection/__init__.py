"""Tests of model/inspection."""
