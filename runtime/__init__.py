"""What training needs: NumPy, and never the compiler."""
