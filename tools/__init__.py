"""The developer's side of Leftfold; nothing in here is shipped to Lambda."""
