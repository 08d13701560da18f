# Flags that make a memory error end the process rather than be somebody's way in: sluice_harden(TARGET), an INTERFACE
# library that everything links. tests/integration/test_hardening.py reads the programs for what these flags leave in them.
#
# Each is asked for where compiler, linker and processor have it. Off with sanitizers, which find more and do not go with
# FORTIFY. Frames of a page and more are probed page by page (stack clash): handler threads have small stacks. Libraries
# are compiled with -fPIE, too, since they end in programs alone: -fPIC, which CMake would take, keeps calls from being
# inlined.
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckLinkerFlag)

option(SLUICE_HARDEN "Hardened build: PIE, RELRO, BIND_NOW, stack protector, FORTIFY, stack clash and control flow protection" ON)

# The highest level of FORTIFY that compiler and C library have together; 2 where that cannot be seen (musl).
function(sluice_find_fortify ret)
  set(CMAKE_REQUIRED_FLAGS "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3")
  check_c_source_compiles("
    #include <string.h>
    #if !defined(__USE_FORTIFY_LEVEL) || __USE_FORTIFY_LEVEL < 3
    #error no level 3
    #endif
    int main(void) { return 0; }" SLUICE_HAVE_FORTIFY_3)
  if(SLUICE_HAVE_FORTIFY_3)
    set(${ret} 3 PARENT_SCOPE)
  else()
    set(${ret} 2 PARENT_SCOPE)
  endif()
endfunction()

function(sluice_harden target)
  if(NOT SLUICE_HARDEN OR SLUICE_SANITIZE)
    return()
  endif()
  # FORTIFY needs an optimizing build; some compilers define a lower level themselves.
  sluice_find_fortify(fortify)
  target_compile_options(${target} INTERFACE
    "$<$<NOT:$<CONFIG:Debug>>:SHELL:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${fortify}>")
  set(SLUICE_FORTIFY ${fortify} PARENT_SCOPE)
  target_compile_options(${target} INTERFACE -fPIE)
  target_link_options(${target} INTERFACE -pie)
  foreach(flag -fstack-clash-protection -fcf-protection=full -mbranch-protection=standard)
    string(MAKE_C_IDENTIFIER "SLUICE_HAVE${flag}" have)
    check_c_compiler_flag("-Werror ${flag}" ${have})
    if(${have})
      target_compile_options(${target} INTERFACE ${flag})
    endif()
  endforeach()
  foreach(flag -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code -Wl,--as-needed)
    string(MAKE_C_IDENTIFIER "SLUICE_HAVE${flag}" have)
    check_linker_flag(C ${flag} ${have})
    if(${have})
      target_link_options(${target} INTERFACE ${flag})
    endif()
  endforeach()
endfunction()
