enum PlaceholderGodwitHTTP {}
