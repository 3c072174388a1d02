"""Networks over sampled neighborhoods: column encoders, a GraphSAGE body and a head. Knows nothing of stores
or of training.
"""
