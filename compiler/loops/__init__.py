"""Graph to loop nests: which loops are shared, what lives where."""
