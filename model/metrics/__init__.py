"""Numbers that judge: scores of a run with intervals, agreement of annotators, calibration."""
