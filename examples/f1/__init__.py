"""The main example: seventy-five years of Formula 1."""
