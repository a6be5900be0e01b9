# The page that the table is compared with.
target_compile_definitions(unit_syscalls PRIVATE RETAKE_SUPPORT_PAGE="${PROJECT_SOURCE_DIR}/docs/syscalls.md")
