"""What is proved on the real cluster; every test gets the same one."""
