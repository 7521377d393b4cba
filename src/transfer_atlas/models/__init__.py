"""The backbone shared by all task types, and where its first weights come from."""
