"""What the plugin itself lets schedules do."""
