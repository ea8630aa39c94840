enum PlaceholderGodwitEngine {}
