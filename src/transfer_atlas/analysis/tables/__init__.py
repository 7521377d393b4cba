"""Result tables: their schemas, and what fills them."""
