# Configures for a machine that retake doesn't run on: must fail, with the sentence that says so and what is missing.
file(REMOVE_RECURSE ${BINARY})
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BINARY} -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=riscv64
          -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_ASM_COMPILER=${CXX}
  RESULT_VARIABLE status
  OUTPUT_VARIABLE output
  ERROR_VARIABLE output)
file(REMOVE_RECURSE ${BINARY})
if(status EQUAL 0)
  message(FATAL_ERROR "Configuring for riscv64 succeeded:\n${output}")
endif()
string(REGEX REPLACE "[ \n]+" " " output "${output}")
foreach(sentence "retake runs on x86_64 and aarch64; this machine is riscv64."
                 "A new architecture needs a directory under arch/ that gives all of arch/arch.h.")
  string(FIND "${output}" "${sentence}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "Configuring for riscv64 failed without the sentence \"${sentence}\":\n${output}")
  endif()
endforeach()
