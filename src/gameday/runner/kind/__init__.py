"""A kind cluster of one's own: tools found, image built, cluster made, shop deployed, and all of it gone again."""
