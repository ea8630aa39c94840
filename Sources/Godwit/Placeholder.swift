enum PlaceholderGodwit {}
