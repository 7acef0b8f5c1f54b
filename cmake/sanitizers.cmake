# Sanitizers are a property of the whole build: every object and every link gets the same ones.
#
# A finding ends the program, so that a test cannot pass over it.

if(SHALE_SANITIZE)
    add_compile_options(-fsanitize=${SHALE_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${SHALE_SANITIZE})
endif()
