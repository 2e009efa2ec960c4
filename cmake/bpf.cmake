# SPDX-License-Identifier: Apache-2.0
# BPF objects and their skeleton: clang → .o per hook, bpftool links them and writes the skeleton.
find_program(BPF_CLANG NAMES clang-14 clang REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)

file(GLOB bpf_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/bpf/*.bpf.c)
file(GLOB bpf_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/bpf/*.h)
if(NOT bpf_sources)
    return()
endif()

set(bpf_out ${CMAKE_BINARY_DIR}/skeleton)
file(MAKE_DIRECTORY ${bpf_out})
set(bpf_objects)
set(bpf_flags -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -D__TARGET_ARCH_x86
    -I/usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu -I${CMAKE_SOURCE_DIR}/src/bpf)
foreach(source ${bpf_sources})
    get_filename_component(name ${source} NAME_WE)
    add_custom_command(OUTPUT ${bpf_out}/${name}.o
        COMMAND ${BPF_CLANG} ${bpf_flags} -c ${source} -o ${bpf_out}/${name}.o
        DEPENDS ${source} ${bpf_headers} VERBATIM)
    list(APPEND bpf_objects ${bpf_out}/${name}.o)
endforeach()
add_custom_command(OUTPUT ${bpf_out}/bulkhead.bpf.o
    COMMAND ${BPFTOOL} gen object ${bpf_out}/bulkhead.bpf.o ${bpf_objects}
    DEPENDS ${bpf_objects} VERBATIM)
add_custom_command(OUTPUT ${bpf_out}/bulkhead.skel.h
    COMMAND sh -c "'${BPFTOOL}' gen skeleton '${bpf_out}/bulkhead.bpf.o' name bulkhead_bpf > '${bpf_out}/bulkhead.skel.h'"
    DEPENDS ${bpf_out}/bulkhead.bpf.o VERBATIM)

# Objects that a kernel may refuse: each with a skeleton of its own, loaded when it can be.
set(bpf_optional)
file(GLOB bpf_optional_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/bpf/optional/*.bpf.c)
foreach(source ${bpf_optional_sources})
    get_filename_component(name ${source} NAME_WE)
    add_custom_command(OUTPUT ${bpf_out}/${name}.skel.h
        COMMAND ${BPF_CLANG} ${bpf_flags} -c ${source} -o ${bpf_out}/${name}.o
        COMMAND sh -c "'${BPFTOOL}' gen skeleton '${bpf_out}/${name}.o' name ${name}_bpf > '${bpf_out}/${name}.skel.h'"
        DEPENDS ${source} ${bpf_headers} VERBATIM)
    list(APPEND bpf_optional ${bpf_out}/${name}.skel.h)
endforeach()
add_custom_target(bulkhead_skeleton DEPENDS ${bpf_out}/bulkhead.skel.h ${bpf_optional})
