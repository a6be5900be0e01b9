# cmake -DCOMPILER=... -DSOURCES=a.c;b.c -DOUT=FILE -DSYSROOT=DIR -P HeaderValues.cmake
#
# Writes what an architecture's own headers say, without running any of its code: for each syscall of <asm/unistd.h> a
# line RETAKE_HEADER_SYSCALL("name", number), and for each VALUE(name, constant) of SOURCES a line
# RETAKE_HEADER_VALUE("name", value). SOURCES are compiled to assembly, where the constants can be read (the way of the
# kernel's asm-offsets.c; the assembler's mark of a constant is dropped).
set(flags "")
if(SYSROOT)
  list(APPEND flags --sysroot=${SYSROOT})
endif()
get_filename_component(directory ${OUT} DIRECTORY)
set(lines "")

file(WRITE ${OUT}.unistd.c "#include <asm/unistd.h>\n")
execute_process(COMMAND ${COMPILER} ${flags} -x c -E -dM ${OUT}.unistd.c OUTPUT_VARIABLE macros
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "#define __NR_[a-z0-9_]+ " names "${macros}")
set(source "#include <asm/unistd.h>\n")
foreach(line ${names})
  string(REGEX REPLACE "#define __NR_([a-z0-9_]+) " "\\1" name "${line}")
  # Marks of the generic table, not calls.
  if(NOT name MATCHES "^(syscalls|arch_specific_syscall)$")
    string(APPEND source "RETAKE_HEADER_SYSCALL(\"${name}\", __NR_${name})\n")
  endif()
endforeach()
file(WRITE ${OUT}.unistd.c "${source}")
execute_process(COMMAND ${COMPILER} ${flags} -x c -E -P ${OUT}.unistd.c OUTPUT_VARIABLE syscalls
                COMMAND_ERROR_IS_FATAL ANY)
string(APPEND lines "${syscalls}")

foreach(file ${SOURCES})
  execute_process(COMMAND ${COMPILER} ${flags} -x c -O1 -S -o - ${file} OUTPUT_VARIABLE assembly
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "->[a-zA-Z0-9_]+ [$#]*[0-9-]+" values "${assembly}")
  foreach(value ${values})
    string(REGEX REPLACE "->([a-zA-Z0-9_]+) [$#]*([0-9-]+)" "RETAKE_HEADER_VALUE(\"\\1\", \\2)\n" line "${value}")
    string(APPEND lines "${line}")
  endforeach()
endforeach()
file(WRITE ${OUT} "${lines}")
