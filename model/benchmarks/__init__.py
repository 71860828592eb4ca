"""Measurements against peers, in one run on one machine; the peers are extras, never needed."""
