"""How good a trained model is, where, and why: intervals, calibration, slices, importance, explanations."""
