# arch_code.h: machine code and register names that tests of all architectures share.
target_include_directories(unit_stub PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit/arch/${RETAKE_ARCH})
