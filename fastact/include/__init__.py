"""What compilers of other code include: ``fastact_api.h``, and ``fastact.h``, which the build writes."""
