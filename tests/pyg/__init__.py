"""PyG's interfaces over data in memory and over stores."""
