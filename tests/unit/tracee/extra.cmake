# The architecture's instructions that tests need.
target_include_directories(unit_tracee PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit/arch/${RETAKE_ARCH})
