"""Generated from proto/yuetone; do not edit."""
