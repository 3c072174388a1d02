"""A question about the future of each entity, as text, bound to a schema: training tables come out."""

from relhop.predictive_query.query import HasSchema, PredictiveQuery

__all__ = ["HasSchema", "PredictiveQuery"]
