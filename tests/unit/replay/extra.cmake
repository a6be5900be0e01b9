# The loops of unit/supervisor, and the architecture's instructions that tests need.
target_link_libraries(unit_replay PRIVATE spins_O0 spins_O2)
target_include_directories(unit_replay PRIVATE ${PROJECT_SOURCE_DIR}/tests/unit/arch/${RETAKE_ARCH})
