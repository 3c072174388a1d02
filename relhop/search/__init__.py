"""The search among a plan's candidates: `space` what there is to try, `study` what is tried next, `best` the
trainings themselves.
"""

from relhop.search.best import fit_best

__all__ = ["fit_best"]
