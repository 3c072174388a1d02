"""Text as vectors: what a store keeps of columns of type text."""

from relhop.text.embedder import TextEmbedder
from relhop.text.hashed import HashedNgrams
from relhop.text.sentence_transformer import SentenceTransformer

__all__ = ["HashedNgrams", "SentenceTransformer", "TextEmbedder"]
